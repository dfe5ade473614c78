/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "load.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void
ask (int         handle,
     const char *interface,
     void       *command)
{
  struct ifreq request = { .ifr_data = command };

  g_strlcpy (request.ifr_name, interface, sizeof request.ifr_name);
  if (ioctl (handle, SIOCETHTOOL, &request) < 0)
    load_die (interface);
}

static guint
count_features (int         handle,
                const char *interface)
{
  g_autofree struct ethtool_sset_info *info = g_malloc0 (sizeof *info + sizeof (guint32));

  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ull << ETH_SS_FEATURES;
  ask (handle, interface, info);
  return info->data[0];
}

static guint
find_feature (int         handle,
              const char *interface,
              const char *name,
              guint       n_features)
{
  g_autofree struct ethtool_gstrings *names = g_malloc0 (sizeof *names + n_features * ETH_GSTRING_LEN);

  names->cmd = ETHTOOL_GSTRINGS;
  names->string_set = ETH_SS_FEATURES;
  names->len = n_features;
  ask (handle, interface, names);
  for (guint i = 0; i < n_features; i++)
    if (strncmp ((const char *) names->data + i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN) == 0)
      return i;
  load_die (name);
}

void
load_set_feature (const char *interface,
                  const char *setting)
{
  g_auto (GStrv) parts = g_strsplit (setting, "=", 2);
  g_autofree struct ethtool_sfeatures *features = NULL;
  int handle = socket (AF_INET, SOCK_DGRAM, 0);
  guint n_features, n_blocks, bit;

  if (handle < 0 || g_strv_length (parts) != 2)
    load_die (setting);
  n_features = count_features (handle, interface);
  n_blocks = (n_features + 31) / 32;
  bit = find_feature (handle, interface, parts[0], n_features);
  features = g_malloc0 (sizeof *features + n_blocks * sizeof features->features[0]);
  features->cmd = ETHTOOL_SFEATURES;
  features->size = n_blocks;
  features->features[bit / 32].valid = 1u << bit % 32;
  features->features[bit / 32].requested = g_str_equal (parts[1], "on") ? 1u << bit % 32 : 0;
  ask (handle, interface, features);
  close (handle);
}
