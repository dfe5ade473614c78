/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* A server may send interim responses (1xx) without end, and libsoup reads what there is of them in one go, so that nothing else runs in
 * its context. After a few of them @cancellable, which is this request's alone, is cancelled. Before @message is sent. */
void     tn_soup_limit_interim (SoupMessage *message, GCancellable *cancellable);

/* Once it has failed: says so in @error, if that is why. */
void     tn_soup_explain       (SoupMessage *message, GError **error);

G_END_DECLS
