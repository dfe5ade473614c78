/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "tn-link-state.h"
#include "tn-route-message.h"

/* What was understood of a rule, a route or an address can be written again, and is the same then. */
static void
write_again (TnNlBatch         *batch,
             const TnNlMessage *message)
{
  TnLinuxAddress address;
  TnLinuxRoute route;
  TnLinuxRule rule;
  char text[TN_IP_PREFIX_TEXT_MAX];

  if (tn_linux_address_parse (message, &address))
    {
      tn_ip_prefix_print (&address.prefix, text);
      tn_linux_address_write (batch, &address, TRUE);
    }
  else if (tn_linux_route_parse (message, &route))
    {
      tn_ip_prefix_print (&route.prefix, text);
      tn_linux_route_write (batch, &route, TRUE);
    }
  else if (tn_linux_rule_parse (message, &rule))
    tn_linux_rule_write (batch, &rule, TRUE);
}

static void
check_written (const TnNlMessage *message)
{
  TnLinuxAddress address;
  TnLinuxRoute route;
  TnLinuxRule rule;

  g_assert_true (tn_linux_address_parse (message, &address) || tn_linux_route_parse (message, &route) || tn_linux_rule_parse (message, &rule));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (TnLinkState) state = tn_link_state_new ();
  TnNlBatch batch = { .bytes = bytes };
  TnReader r = TN_READER_INIT (data, size);
  TnNlMessage message;
  TnNlAnswer answer;
  TnLinuxLink link;

  while (tn_nl_message_next (&r, &message))
    {
      if (tn_nl_answer_parse (&message, &answer))
        g_assert_true (g_utf8_validate (answer.words, -1, NULL));
      if (tn_link_state_take (state, &message) && (message.flags & NLM_F_REPLACE) == 0)
        g_assert_false (tn_link_state_take (state, &message));      /* once is enough */
      if (tn_linux_link_parse (&message, &link))
        g_assert_cmpuint (strlen (link.name), <, sizeof link.name);
      write_again (&batch, &message);
    }

  r = TN_READER_INIT (bytes->data, bytes->len);
  for (guint i = 0; i < batch.n; i++)
    {
      g_assert_true (tn_nl_message_next (&r, &message));
      g_assert_cmpuint (message.seq, ==, i);
      check_written (&message);
    }
  g_assert_cmpuint (r.left, ==, 0);
  return 0;
}
