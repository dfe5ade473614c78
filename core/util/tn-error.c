/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-error.h"

/* Not G_DEFINE_QUARK(): its variable is a plain one, and errors are made in every thread. */
GQuark
tn_error_quark (void)
{
  static gsize quark;

  if (g_once_init_enter (&quark))
    g_once_init_leave (&quark, g_quark_from_static_string ("tn-error-quark"));

  return (GQuark) quark;
}
