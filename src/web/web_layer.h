/* SPDX-License-Identifier: MIT
 *
 * For those who make layers in this room.
 */
#ifndef PLAIT_WEB_WEB_LAYER_H
#define PLAIT_WEB_WEB_LAYER_H

#include "web/http_core.h"

#include <plait/site.h>

/* What a layer of this kind holds at a resource (NULL: nothing); the first that was put there, NULL when there is none.
 */
void *plait__resource_layer(struct plait_resource *resource, const struct plait_layer *layer);

#endif
