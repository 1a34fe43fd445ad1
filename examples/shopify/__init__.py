"""Shopify: REST by Link header and page_info, GraphQL by cost; leaky buckets for both."""
