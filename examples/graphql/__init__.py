"""A GraphQL API: a nested connection of edges, and errors in answers of status 200."""
