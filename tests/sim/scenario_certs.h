/* SPDX-License-Identifier: MIT
 *
 * An issuer and a certificate for the name "server", good from 1970 to 2099. They stand here and are not made anew, so
 * that a seed gives the same run everywhere. Nothing else may trust them.
 */
#ifndef PLAIT_TESTS_SIM_SCENARIO_CERTS_H
#define PLAIT_TESTS_SIM_SCENARIO_CERTS_H

#include <plait/bytes.h>

#define KIT_CA                                                                                                         \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBJDCByqADAgECAgNdtrwwCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEcm9vdDAg\n"                                               \
    "Fw03MDAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFowDzENMAsGA1UEAwwEcm9v\n"                                               \
    "dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFMgxEWbdgxW/czCsG8VlcAP9/w4\n"                                               \
    "lcUhEw3kK+vFWPEFf1QELGhjhUTtcaDjEstBh9mWEBuN1W9+Mz0YxQgHEaCjEzAR\n"                                               \
    "MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAP813HHwEFGaPLvM\n"                                               \
    "GL+TVenXta+Z8rGhdRz7WewOSlpZAiEAsBAcgjwihsOWKP6VIsx26Puw3DONb9xM\n"                                               \
    "sHXLAgb+UOw=\n"                                                                                                   \
    "-----END CERTIFICATE-----\n"

#define KIT_SERVER                                                                                                     \
    "-----BEGIN CERTIFICATE-----\n"                                                                                    \
    "MIIBMTCB2aADAgECAgMFqrswCgYIKoZIzj0EAwIwDzENMAsGA1UEAwwEcm9vdDAg\n"                                               \
    "Fw03MDAxMDEwMDAwMDBaGA8yMDk5MDEwMTAwMDAwMFowETEPMA0GA1UEAwwGc2Vy\n"                                               \
    "dmVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFjylKKhiHA8GGeW2HT/6sNID\n"                                               \
    "bUkBvRGVTVnxG1B/mqmkpm/MbwL77ph5zsAoIyAJ3gd0A57YSDcr3ldGqn8qKKMg\n"                                               \
    "MB4wCQYDVR0TBAIwADARBgNVHREECjAIggZzZXJ2ZXIwCgYIKoZIzj0EAwIDRwAw\n"                                               \
    "RAIgb3zam2MHqFjPHz6jUasOqa9Ky4SX6CTuLwkVvGOcJV0CICdoP2Ehf/DGPDkd\n"                                               \
    "f81nVFv3tjjGYfRK+5NIWcsOrtMy\n"                                                                                   \
    "-----END CERTIFICATE-----\n"                                                                                      \
    "-----BEGIN PRIVATE KEY-----\n"                                                                                    \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHeOKW4moCaFgJ6i0\n"                                               \
    "DOJYoOz30nq6WfOmlbIYudttt5+hRANCAAQWPKUoqGIcDwYZ5bYdP/qw0gNtSQG9\n"                                               \
    "EZVNWfEbUH+aqaSmb8xvAvvumHnOwCgjIAneB3QDnthINyveV0aqfyoo\n"                                                       \
    "-----END PRIVATE KEY-----\n"

static const plait_slice kit_ca_pem = {(const uint8_t *)KIT_CA, sizeof KIT_CA - 1};
static const plait_slice kit_server_pem = {(const uint8_t *)KIT_SERVER, sizeof KIT_SERVER - 1};

#endif
