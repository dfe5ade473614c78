/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-json-text.h"

G_BEGIN_DECLS

/* Objects of which most passes through: what counts is which members are known, so that two of them compare as texts. */
typedef enum
{
  TN_WIRE_PLAIN,        /* left out when null, false, 0, "", [] or {} */
  TN_WIRE_TRISTATE,     /* left out only when null */
  TN_WIRE_OBJECT,       /* of fields */
  TN_WIRE_LIST,         /* of objects of fields; left out when empty */
  TN_WIRE_MAP_OF_LISTS, /* name -> list of objects of fields; left out when empty, an empty list in it is not */
} TnWireShape;

typedef struct _TnWireField TnWireField;

struct _TnWireField
{
  const char        *name;      /* NULL ends a table */
  TnWireShape        shape;
  const TnWireField *fields;
};

/* Appends @object with the members of @fields, in that order. */
void tn_wire_object_append (GString *out, TnJsonText object, const TnWireField *fields);

extern const TnWireField tn_wire_hostinfo_fields[];     /* tailcfg.Hostinfo */
extern const TnWireField tn_wire_resolver_fields[];     /* dnstype.Resolver */
extern const TnWireField tn_wire_dns_config_fields[];   /* tailcfg.DNSConfig */

/* As above, from an array of objects. */
void tn_wire_list_append   (GString *out, TnJsonText list, const TnWireField *fields);

G_END_DECLS
