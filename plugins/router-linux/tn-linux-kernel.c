/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-linux-kernel.h"

#include <errno.h>

#define READ_TRIES 8      /* of a dump that others' changes tear */

void
tn_linux_kernel_clear (TnLinuxKernel *self)
{
  g_clear_pointer (&self->socket, tn_nl_socket_free);
}

static TnNlBatch *
begin (TnLinuxKernel *self,
       GError       **error)
{
  if (self->socket == NULL)
    self->socket = tn_nl_socket_new (error);
  return self->socket != NULL ? tn_nl_socket_batch (self->socket) : NULL;
}

static gboolean
talk (TnLinuxKernel       *self,
      const TnNlCallbacks *callbacks,
      gpointer             user_data,
      GError             **error)
{
  if (tn_nl_socket_talk (self->socket, callbacks, user_data, error))
    return TRUE;
  tn_linux_kernel_clear (self);     /* an answer that comes late is not mistaken for the next one */
  return FALSE;
}

static void
set_refused (GError          **error,
             const char       *what,
             const TnNlAnswer *answer)
{
  const gboolean words = answer->words[0] != '\0';

  g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (answer->code), "cannot %s: %s%s%s%s", what, g_strerror (answer->code),
               words ? " (" : "", answer->words, words ? ")" : "");
}

/* --- Reading --- */

typedef struct
{
  TnLinuxState *state;      /* nullable */
  TnLinuxLink   link;
  TnNlAnswer    answer;
} Reading;

static void
take_read (gpointer           user_data,
           const TnNlMessage *message)
{
  Reading *reading = user_data;
  TnLinuxAddress address;
  TnLinuxRoute route;
  TnLinuxRule rule;

  if (reading->state == NULL)
    {
      if (!tn_linux_link_parse (message, &reading->link))
        reading->link.index = 0;
      return;
    }
  if (tn_linux_address_parse (message, &address))
    g_array_append_val (reading->state->addresses, address);
  else if (tn_linux_rule_parse (message, &rule) && tn_linux_rule_is_at_ours (&rule))
    g_array_append_val (reading->state->rules, rule);
  else if (tn_linux_route_parse (message, &route) && tn_linux_route_is_at_ours (&route))
    g_array_append_val (reading->state->routes, route);
}

static void
take_answer (gpointer          user_data,
             guint             request,
             const TnNlAnswer *answer)
{
  Reading *reading = user_data;

  reading->answer = *answer;
}

static const TnNlCallbacks reading_callbacks = { take_read, take_answer };

gboolean
tn_linux_kernel_find_link (TnLinuxKernel *self,
                           const char    *name,
                           guint32        index,
                           TnLinuxLink   *out,
                           GError       **error)
{
  TnNlBatch *batch = begin (self, error);
  g_autofree char *what = NULL;
  Reading reading = { 0 };

  if (batch == NULL)
    return FALSE;
  tn_linux_link_ask (batch, name, index);
  if (!talk (self, &reading_callbacks, &reading, error))
    return FALSE;
  if (reading.answer.code == 0 && reading.link.index == 0)
    reading.answer.code = ENODEV;
  if (reading.answer.code != 0)
    {
      what = name != NULL ? g_strdup_printf ("find interface %s", name) : g_strdup_printf ("find interface %u", index);
      set_refused (error, what, &reading.answer);
      return FALSE;
    }
  *out = reading.link;
  return TRUE;
}

typedef enum { READ_ADDRESSES, READ_RULES, READ_ROUTES } ReadKind;

/* What the kernel answers where there is no IPv6, no policy routing of it, or nothing in the table yet. */
static gboolean
means_nothing (int code)
{
  return code == EAFNOSUPPORT || code == EOPNOTSUPP || code == ENOENT;
}

static gboolean
read_once (TnLinuxKernel *self,
           ReadKind       kind,
           guint8         version,
           Reading       *reading,
           GError       **error)
{
  TnNlBatch *batch = begin (self, error);

  if (batch == NULL)
    return FALSE;
  if (kind == READ_ADDRESSES)
    tn_linux_addresses_ask (batch, version);
  else if (kind == READ_RULES)
    tn_linux_rules_ask (batch, version);
  else
    tn_linux_routes_ask (batch, version, TN_LINUX_TABLE);
  return talk (self, &reading_callbacks, reading, error);
}

static gboolean
read_kind (TnLinuxKernel *self,
           ReadKind       kind,
           guint8         version,
           TnLinuxState  *state,
           GError       **error)
{
  static const char *const names[] = { "addresses", "routing rules", "routes" };
  GArray *arrays[] = { state->addresses, state->rules, state->routes };
  const guint before = arrays[kind]->len;
  Reading reading = { .state = state };
  g_autofree char *what = NULL;

  for (guint i = 0; i < READ_TRIES; i++)
    {
      g_array_set_size (arrays[kind], before);
      if (!read_once (self, kind, version, &reading, error))
        return FALSE;
      if (reading.answer.code != EINTR)
        break;
    }
  if (kind == READ_RULES && version == 6)
    self->ipv6 = reading.answer.code == 0;
  if (reading.answer.code == 0 || means_nothing (reading.answer.code))
    return TRUE;
  what = g_strdup_printf ("read the IPv%u %s", version, names[kind]);
  set_refused (error, what, &reading.answer);
  return FALSE;
}

TnLinuxState *
tn_linux_kernel_read (TnLinuxKernel *self,
                      GError       **error)
{
  g_autoptr (TnLinuxState) state = tn_linux_state_new ();

  for (ReadKind kind = READ_ADDRESSES; kind <= READ_ROUTES; kind++)
    if (!read_kind (self, kind, 4, state, error))
      return NULL;

  /* Rules first: without IPv6 the other two would be asked of all families. */
  if (!read_kind (self, READ_RULES, 6, state, error))
    return NULL;
  if (self->ipv6 && (!read_kind (self, READ_ADDRESSES, 6, state, error) || !read_kind (self, READ_ROUTES, 6, state, error)))
    return NULL;
  return g_steal_pointer (&state);
}

/* --- Changing --- */

typedef void  (*WriteFunc)    (TnNlBatch *batch, gconstpointer item, gboolean add);
typedef char *(*DescribeFunc) (gconstpointer item, gboolean add, const TnLinuxLink *link);

typedef struct
{
  gboolean   add;
  guint      first;        /* of the batch, in the array */
  guint      refused;      /* G_MAXUINT: none */
  TnNlAnswer answer;
} Change;

/* Somebody else removed it, or it went with its interface. */
static gboolean
is_gone (int code)
{
  return code == ESRCH || code == ENOENT || code == EADDRNOTAVAIL || code == ENODEV;
}

static void
take_change (gpointer          user_data,
             guint             request,
             const TnNlAnswer *answer)
{
  Change *change = user_data;

  if (answer->code == 0 || change->refused != G_MAXUINT || (!change->add && is_gone (answer->code)))
    return;
  change->refused = change->first + request;
  change->answer = *answer;
}

static gboolean
apply (TnLinuxKernel     *self,
       gboolean           add,
       GArray            *items,
       const TnLinuxLink *link,
       WriteFunc          write,
       DescribeFunc       describe,
       GError           **error)
{
  static const TnNlCallbacks callbacks = { NULL, take_change };
  const guint size = g_array_get_element_size (items);
  Change change = { .add = add, .refused = G_MAXUINT };
  g_autofree char *what = NULL;

  for (; change.first < items->len; change.first += TN_NL_BATCH_MAX)
    {
      const guint end = MIN (items->len, change.first + TN_NL_BATCH_MAX);
      TnNlBatch *batch = begin (self, error);

      if (batch == NULL)
        return FALSE;
      for (guint i = change.first; i < end; i++)
        write (batch, items->data + (gsize) i * size, add);
      if (!talk (self, &callbacks, &change, error))
        return FALSE;
    }
  if (change.refused == G_MAXUINT)
    return TRUE;
  what = describe (items->data + (gsize) change.refused * size, add, link);
  set_refused (error, what, &change.answer);
  return FALSE;
}

static char *
describe_on (const char        *kind,
             const TnIpPrefix  *prefix,
             guint32            index,
             gboolean           add,
             const TnLinuxLink *link)
{
  char text[TN_IP_PREFIX_TEXT_MAX];
  g_autofree char *name = index == link->index ? g_strdup (link->name) : g_strdup_printf ("interface %u", index);

  tn_ip_prefix_print (prefix, text);
  return g_strdup_printf ("%s %s %s %s %s", add ? "add" : "remove", kind, text, add ? "to" : "from", name);
}

static char *
describe_address (gconstpointer      item,
                  gboolean           add,
                  const TnLinuxLink *link)
{
  const TnLinuxAddress *address = item;

  return describe_on ("address", &address->prefix, address->index, add, link);
}

static char *
describe_route (gconstpointer      item,
                gboolean           add,
                const TnLinuxLink *link)
{
  const TnLinuxRoute *route = item;

  return describe_on ("route", &route->prefix, route->index, add, link);
}

static char *
describe_rule (gconstpointer      item,
               gboolean           add,
               const TnLinuxLink *link)
{
  const TnLinuxRule *rule = item;

  return g_strdup_printf ("%s IPv%u routing rule %u", add ? "add" : "remove", rule->version, rule->priority);
}

gboolean
tn_linux_kernel_addresses (TnLinuxKernel     *self,
                           gboolean           add,
                           GArray            *addresses,
                           const TnLinuxLink *link,
                           GError           **error)
{
  return apply (self, add, addresses, link, tn_linux_address_write, describe_address, error);
}

gboolean
tn_linux_kernel_rules (TnLinuxKernel *self,
                       gboolean       add,
                       GArray        *rules,
                       GError       **error)
{
  return apply (self, add, rules, NULL, tn_linux_rule_write, describe_rule, error);
}

gboolean
tn_linux_kernel_routes (TnLinuxKernel     *self,
                        gboolean           add,
                        GArray            *routes,
                        const TnLinuxLink *link,
                        GError           **error)
{
  return apply (self, add, routes, link, tn_linux_route_write, describe_route, error);
}
