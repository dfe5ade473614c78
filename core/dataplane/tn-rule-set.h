/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A set of rule numbers as a bitmap in two levels: only words that are not zero are kept, and a summary tells which ones these are.
 * To see that two of them have nothing in common takes one word for 4096 rules, however many rules are in the sets. */
typedef struct _TnRuleSet TnRuleSet;

/* @rules: ascending, without doubles, at least one. */
TnRuleSet *tn_rule_set_new          (const guint32 *rules, gsize n_rules);
void       tn_rule_set_free         (TnRuleSet *set);

/* The lowest rule in all of them, @c left out if NULL; -1: none. */
gint32     tn_rule_set_first_common (const TnRuleSet *a, const TnRuleSet *b, const TnRuleSet *c);
gint32     tn_rule_set_first        (const TnRuleSet *set);
void       tn_rule_set_append_to    (const TnRuleSet *set, GArray *rules);     /* of guint32 */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TnRuleSet, tn_rule_set_free)

G_END_DECLS
