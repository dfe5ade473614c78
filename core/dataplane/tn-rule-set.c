/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-rule-set.h"

#define RULES_PER_WORD    64
#define RULES_PER_SUMMARY (64 * RULES_PER_WORD)
#define BIT(i)            (G_GUINT64_CONSTANT (1) << (i))

typedef struct
{
  guint64 bits;         /* words that are not zero */
  guint32 first_word;   /* where theirs begin */
} Summary;

struct _TnRuleSet
{
  guint32  first;       /* first summary that is there, of those that would be */
  guint32  n_summaries;
  guint64 *words;
  Summary  summaries[];
};

TnRuleSet *
tn_rule_set_new (const guint32 *rules,
                 gsize          n_rules)
{
  guint32 first = rules[0] / RULES_PER_SUMMARY;
  guint32 n_summaries = rules[n_rules - 1] / RULES_PER_SUMMARY - first + 1;
  gsize n_words = 1;
  TnRuleSet *set;
  guint64 *word;

  for (gsize i = 1; i < n_rules; i++)
    n_words += rules[i] / RULES_PER_WORD != rules[i - 1] / RULES_PER_WORD;

  set = g_malloc0 (sizeof *set + n_summaries * sizeof set->summaries[0] + n_words * sizeof set->words[0]);
  set->first = first;
  set->n_summaries = n_summaries;
  set->words = (guint64 *) (gpointer) &set->summaries[n_summaries];

  word = set->words;
  for (gsize i = 0; i < n_rules; i++)
    {
      Summary *summary = &set->summaries[rules[i] / RULES_PER_SUMMARY - first];

      if (i > 0 && rules[i] / RULES_PER_WORD != rules[i - 1] / RULES_PER_WORD)
        word++;
      if (summary->bits == 0)
        summary->first_word = (guint32) (word - set->words);
      summary->bits |= BIT (rules[i] / RULES_PER_WORD % 64);
      *word |= BIT (rules[i] % RULES_PER_WORD);
    }
  return set;
}

void
tn_rule_set_free (TnRuleSet *set)
{
  g_free (set);
}

/* Word @bit of @summary, which has that bit. */
static inline guint64
get_word (const TnRuleSet *set,
          const Summary   *summary,
          guint            bit)
{
  return set->words[summary->first_word + (guint) __builtin_popcountll (summary->bits & (BIT (bit) - 1))];
}

gint32
tn_rule_set_first_common (const TnRuleSet *a,
                          const TnRuleSet *b,
                          const TnRuleSet *c)
{
  guint32 first = MAX (a->first, b->first);
  guint32 end = MIN (a->first + a->n_summaries, b->first + b->n_summaries);

  if (c == NULL)
    c = b;
  first = MAX (first, c->first);
  end = MIN (end, c->first + c->n_summaries);

  for (guint32 i = first; i < end; i++)
    {
      const Summary *sa = &a->summaries[i - a->first];
      const Summary *sb = &b->summaries[i - b->first];
      const Summary *sc = &c->summaries[i - c->first];

      for (guint64 left = sa->bits & sb->bits & sc->bits; left != 0; left &= left - 1)
        {
          guint bit = (guint) __builtin_ctzll (left);
          guint64 word = get_word (a, sa, bit) & get_word (b, sb, bit) & get_word (c, sc, bit);

          if (word != 0)
            return (gint32) (i * RULES_PER_SUMMARY + bit * RULES_PER_WORD + (guint) __builtin_ctzll (word));
        }
    }
  return -1;
}

gint32
tn_rule_set_first (const TnRuleSet *set)
{
  return tn_rule_set_first_common (set, set, NULL);
}

void
tn_rule_set_append_to (const TnRuleSet *set,
                       GArray          *rules)
{
  const guint64 *word = set->words;

  for (guint32 i = 0; i < set->n_summaries; i++)
    for (guint64 left = set->summaries[i].bits; left != 0; left &= left - 1, word++)
      {
        guint32 base = (set->first + i) * RULES_PER_SUMMARY + (guint32) __builtin_ctzll (left) * RULES_PER_WORD;

        for (guint64 bits = *word; bits != 0; bits &= bits - 1)
          {
            guint32 rule = base + (guint32) __builtin_ctzll (bits);

            g_array_append_val (rules, rule);
          }
      }
}
