/* SPDX-License-Identifier: MIT
 *
 * Everything of Plait but the simulated world, in one include.
 */
#ifndef PLAIT_PLAIT_H
#define PLAIT_PLAIT_H

#define PLAIT_VERSION "0.1.0"

#include <plait/address.h>
#include <plait/amp.h>
#include <plait/auth.h>
#include <plait/bytes.h>
#include <plait/cache.h>
#include <plait/cookies.h>
#include <plait/datagram.h>
#include <plait/deferred.h>
#include <plait/endpoint.h>
#include <plait/err.h>
#include <plait/events.h>
#include <plait/finger.h>
#include <plait/forward.h>
#include <plait/framing.h>
#include <plait/gateway.h>
#include <plait/http.h>
#include <plait/ident.h>
#include <plait/jelly.h>
#include <plait/listen.h>
#include <plait/live.h>
#include <plait/log.h>
#include <plait/memory.h>
#include <plait/metrics.h>
#include <plait/process.h>
#include <plait/program.h>
#include <plait/proxy.h>
#include <plait/reactor.h>
#include <plait/resolve.h>
#include <plait/sasl.h>
#include <plait/small.h>
#include <plait/stream.h>
#include <plait/supervise.h>
#include <plait/target.h>
#include <plait/task.h>
#include <plait/telnet.h>
#include <plait/thread.h>
#include <plait/time.h>
#include <plait/tls.h>
#include <plait/url.h>
#include <plait/websocket.h>

#endif
