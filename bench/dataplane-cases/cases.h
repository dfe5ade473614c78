/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How often a case is measured: in turns with what it stands beside; the medians count. */
#define CASES_ROUNDS 9

typedef struct
{
  const char *name;
  const char *unit;
  gboolean    higher_is_better;
  const char *peer_name;        /* NULL: nothing to stand beside */
} Case;

/* One measurement of each: in the unit of the case. @peer NULL: no peer, or @bar is what it has to keep to. */
typedef double (*CaseFunc) (gpointer data);

void cases_measure (const Case *c, CaseFunc ours, CaseFunc peer, double bar, gpointer data);
void cases_say     (const Case *c, double ours, double peer);      /* peer below 0: none */

/* Nanoseconds a call, over so many calls that a tenth of a second has passed. */
double cases_time  (void (*func) (gpointer data), gpointer data);

/* A program to stand beside, by environment variable; NULL: not given. */
const char *cases_peer_program (const char *variable);

void cases_crypto    (void);
void cases_pipeline  (void);
void cases_lookup    (void);
void cases_filter    (void);
void cases_handshake (void);
void cases_memory    (void);

G_END_DECLS
