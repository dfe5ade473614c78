/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tailnet-plugin.h"

G_BEGIN_DECLS

/* A router, asked in words: prefixes with blanks between them. */

#define TEST_FOREIGN_TABLE 77
#define TEST_ANY_CODE -1      /* of an errno that versions of GLib give different codes */

#define TEST_ADDRESSES "100.64.0.1/32 fd7a:115c:a1e0::1/128"
#define TEST_ROUTES "100.64.0.0/10 fd7a:115c:a1e0::/48"
#define TEST_SET_UP "100.64.0.1/32 fd7a:115c:a1e0::1/128 | fd7a:115c:a1e0::/48 100.64.0.0/10"

TnRouter *test_router_new              (void);
void      test_router_configure        (TnRouter *router, const char *interface, const char *addresses, const char *routes);
void      test_router_reset            (TnRouter *router);
void      test_router_assert_refused   (TnRouter *router, const char *interface, const char *addresses, const char *routes,
                                        int code, const char *message);

/* All that there is, as test_host_dump() has it. */
void      test_router_assert_dump      (const char *expected);

/* "ADDRESS... | ROUTE...", the longest prefixes first: what is on the interface and in our table. */
char     *test_router_print            (const char *interface);
void      test_router_assert_interface (const char *interface, const char *expected);

G_END_DECLS
