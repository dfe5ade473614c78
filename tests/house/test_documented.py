# SPDX-License-Identifier: LGPL-2.1-or-later
"""Is everything public documented? Reads GIR files: each thing a program can name, and each parameter and value, wants a doc child;
and whoever reads it wants to know since when it is there."""

import sys
import xml.etree.ElementTree as ElementTree

CORE = "{http://www.gtk.org/introspection/core/1.0}"
GLIB = "{http://www.gtk.org/introspection/glib/1.0}"
WANTED = {CORE + name for name in ("alias", "bitfield", "callback", "class", "constant", "constructor", "enumeration", "field", "function",
                                   "interface", "member", "method", "parameter", "property", "record", "virtual-method")}
WANTED |= {GLIB + "signal", GLIB + "boxed"}
PARTS = {CORE + "field", CORE + "member", CORE + "parameter"}      # came with what they are a part of, unless they say otherwise


def undocumented(element, path):
    if element.get(GLIB + "is-gtype-struct-for") or element.get("private") == "1":
        return      # vtables are documented where their methods are
    name = element.get("name")
    path = path + [name] if name else path
    value = element.find(CORE + "type")
    returns = element.tag == CORE + "return-value" and (value is None or value.get("name") != "none")
    if (element.tag in WANTED or returns) and element.find(CORE + "doc") is None:
        yield ".".join(path) + ": " + element.tag.split("}")[1]
    if element.tag in WANTED - PARTS and element.get("version") is None:
        yield ".".join(path) + ": no “Since:”"
    for child in element:
        if element.tag == CORE + "class" and child.tag == CORE + "field":
            continue      # the instance itself
        yield from undocumented(child, path)


missing = [line for path in sys.argv[1:] for line in undocumented(ElementTree.parse(path).getroot(), [])]
print("\n".join(missing))
sys.exit(1 if missing else 0)
