/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tn-testkit-control.h"
#include "tn-testkit-derp.h"
#include "tn-testkit-enum-types.h"
#include "tn-testkit-node.h"
#include "tn-testkit-stun.h"
#include "tn-testkit-tailnet.h"
