/* SPDX-License-Identifier: MIT
 *
 * Writes at exit how often each PLAIT_TRY and PLAIT_FAIL of this process failed, as lines "hits TAB file TAB line TAB
 * text" appended to the file that PLAIT_SITES_OUT names. One open and one write, so that tests which run side by side
 * may share the file. It does nothing in a normal build, where there are no sites. Read by tools/sites; its test:
 * tests/tools/test_tools.py.
 */
#include "base/try.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef PLAIT_TEST_SITES

extern struct plait__site __start_plait_sites[] __attribute__((weak, visibility("hidden")));
extern struct plait__site __stop_plait_sites[] __attribute__((weak, visibility("hidden")));

static void write_all(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        perror(path);
    if (fd >= 0)
        close(fd);
}

__attribute__((destructor)) static void write_sites(void)
{
    const char *path = getenv("PLAIT_SITES_OUT");
    char *text = NULL;
    size_t len = 0;
    FILE *out = path && __start_plait_sites ? open_memstream(&text, &len) : NULL;
    if (!out)
        return;
    for (const struct plait__site *site = __start_plait_sites; site != __stop_plait_sites; site++)
        fprintf(out, "%llu\t%s\t%llu\t%s\n", (unsigned long long)site->hits, site->file, (unsigned long long)site->line,
                site->text);
    fclose(out);
    write_all(path, text, len);
    free(text);
}

#endif
