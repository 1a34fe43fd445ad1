"""pipelines.toml on its way to valid Structs: found, merged, expanded, converted, put together.

    document, merge, expand   the files as one set of tables, with what they inherit and refer to
    convert, tables           each table as its Struct, and the secrets that are met on the way
    entries, pipelines        what is referred to by name, and the pipelines that do so
    others                    what a pipeline must know of the others
    identity, describe        the hash of what changes rows; the JSON Schema for editors
    fault                     what is told where any of it goes wrong

`config.load` asks for it, and reads what it is made of.
"""
