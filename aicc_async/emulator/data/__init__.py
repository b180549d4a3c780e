"""The cases of the tenant: invented, stored, and shown in the documents' shapes."""
