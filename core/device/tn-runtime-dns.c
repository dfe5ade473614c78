/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tn-runtime-private.h"

#include "tn-boot-timer.h"

gboolean
tn_runtime_update_dns (TnRuntime             *runtime,
                       const TnNetmap        *netmap,
                       const TnNetmapChanges *changes)
{
  g_autoptr (TnDnsConfig) config = NULL;
  TnDnsChoices choices = {
    .accept_dns = TRUE,
    .self_expired = tn_netmap_own_key_expired (netmap, g_get_real_time (), tn_boot_time_us ()),
  };

  if (runtime->dns != NULL && !tn_dns_settings_are_stale (runtime->dns, netmap, changes))
    return FALSE;

  g_clear_pointer (&runtime->dns, tn_dns_settings_free);
  runtime->dns = tn_dns_settings_new (netmap, &choices);
  config = tn_dns_config_new_for_settings (runtime->dns, netmap->self->name);
  if (tn_dns_config_equal (config, runtime->dns_config))
    return FALSE;
  g_set_object (&runtime->dns_config, config);
  return TRUE;
}
