"""[apis.NAME.auth]: how requests prove who they are, and where rotating tokens lie."""
