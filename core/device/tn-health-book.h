/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-health-item-private.h"

G_BEGIN_DECLS

/* What is not as it should be, by code. Whoever is told hears of all of it at once, and of nothing that is as before. One thread. */
typedef struct _TnHealthBook TnHealthBook;

typedef void (*TnHealthBookFunc) (GPtrArray *items, gpointer user_data);      /* of TnHealthItem */

TnHealthBook *tn_health_book_new  (TnHealthBookFunc func, gpointer user_data);
void          tn_health_book_free (TnHealthBook *book);

/* @text: NULL where the condition is over; the title does not count then. */
void          tn_health_book_set  (TnHealthBook *book, const char *code, TnHealthSeverity severity, const char *title, const char *text);

/* From the first of these to as many ends of it, what changes is told once, at the end or where it is flushed. */
void          tn_health_book_hold    (TnHealthBook *book);
void          tn_health_book_release (TnHealthBook *book);
void          tn_health_book_flush   (TnHealthBook *book);

/* By code. */
GPtrArray    *tn_health_book_dup_items (TnHealthBook *book);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnHealthBook, tn_health_book_free)

G_END_DECLS
