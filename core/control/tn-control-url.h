/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* One way to reach the control server's transport. */
typedef struct
{
  gboolean tls;
  guint16  port;
  guint    delay_ms;
} TnControlRoute;

/* The control server's address, taken apart. */
typedef struct
{
  char          *text;           /* without final slash */
  char          *host;
  char          *authority;      /* host and, if it was given, port: for Host headers */
  gboolean       tls;
  gboolean       is_private;     /* literal loopback or private address, or localhost */
  gboolean       allow_plain;
  TnControlRoute routes[2];
  guint          n_routes;
} TnControlUrl;

/* @allow_plain: http even to a public host, where anyone on the way could hand out a control key. */
TnControlUrl *tn_control_url_parse (const char *text, gboolean allow_plain, GError **error);
void          tn_control_url_free  (TnControlUrl *url);

/* Whether @page is one that a program may open, or show to somebody who does, because the server says so. */
gboolean      tn_control_url_may_show    (const TnControlUrl *url, const char *page);

/* Whether the server may send one on to @uri for its key. */
gboolean      tn_control_url_may_lead_to (const TnControlUrl *url, GUri *uri);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnControlUrl, tn_control_url_free)

G_END_DECLS
