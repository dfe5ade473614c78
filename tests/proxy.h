/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* An HTTP proxy on loopback that knows one host by name, and where it is; it refuses all else. In the thread-default context. */
typedef struct _TestProxy TestProxy;

TestProxy      *test_proxy_new          (const char *host, guint port);      /* that host, on 127.0.0.1 */
void            test_proxy_free         (TestProxy *proxy);                  /* once nothing goes through it any more */

GProxyResolver *test_proxy_dup_resolver (TestProxy *proxy);
guint           test_proxy_get_n_served (TestProxy *proxy);

G_END_DECLS
