/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Nodes that speak the control protocol by hand, one client each, and a server for them. */

#include "protocol-client.h"
#include "tailnet-testkit.h"

#define ZERO_TIME "0001-01-01T00:00:00Z"

typedef struct
{
  TnTestkitControl *control;
  char             *url;
  char             *auth_key;
} Fixture;

/* A client with a node key of its own. */
typedef struct
{
  ProtocolClient   *client;
  ProtocolAnswer   *map;
  JsonNode         *first;      /* message of the map */
  TnNodePublicKey   node_key;
  char              key[TN_KEY_TEXT_MAX];
  char             *host_name;
} Node;

void            control_set_up         (Fixture *fixture, gconstpointer data);
void            control_tear_down      (Fixture *fixture, gconstpointer data);

Node           *node_new               (Fixture *fixture, const char *host_name);      /* connected */
Node           *node_new_in_map        (Fixture *fixture, const char *host_name);
void            node_free              (Node *node);
void            node_new_key           (Node *node);
void            node_connect           (Node *node);
ProtocolAnswer *node_post_registration (Node *node, const char *auth_key, const char *followup, const char *expiry);

/* Registers and gives one text or boolean of the answer. */
char           *node_register          (Node *node, const char *auth_key, const char *followup, const char *expiry,
                                        const char *member);
void            node_join              (Node *node, const char *auth_key);
void            node_follow_map        (Node *node);
guint           node_update            (Node *node, const char *members);

/* Reads messages until one has @member, and gives that. */
JsonNode       *node_await             (Node *node, const char *member);
JsonObject     *first_of               (JsonNode *list);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Node, node_free)

#define assert_registration(node, auth, followup, expiry, member, wanted)                                \
  G_STMT_START {                                                                                         \
    g_autofree char *got = node_register (node, auth, followup, expiry, member);                         \
    g_assert_cmpstr (got, ==, wanted);                                                                   \
  } G_STMT_END
