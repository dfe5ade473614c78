/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one header to include. */

#include "tn-connection.h"
#include "tn-datagram-socket.h"
#include "tn-device-server.h"
#include "tn-device.h"
#include "tn-dns-config.h"
#include "tn-embedded-device.h"
#include "tn-enum-types.h"
#include "tn-error.h"
#include "tn-file-state-store.h"
#include "tn-health-item.h"
#include "tn-listener.h"
#include "tn-memory-state-store.h"
#include "tn-node.h"
#include "tn-path.h"
#include "tn-ping-result.h"
#include "tn-preferences.h"
#include "tn-state-store.h"
#include "tn-system-device.h"
#include "tn-transport.h"
#include "tn-user.h"
#include "tn-version-macros.h"
