/* A failing or slow disk for the tests: LD_PRELOAD this into a program. File calls below DISK_FAULTS_PATH do what the file
 * DISK_FAULTS says, read at each call: lines "<call> <errno name>", or "<call> delay <ms>", or "<call> stall" (for as long as
 * the file says so). Calls: write, sync, open (of new files), truncate. No such line, no such file: as always. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int code_of(const char *name) {
  if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(name, "EROFS") == 0) return EROFS;
  return EIO;
}

/* What the control file says of a call: 0 nothing, an errno, or -1 for stall; waits out a delay. */
static int said(const char *call) {
  const char *path = getenv("DISK_FAULTS");
  if (path == NULL) return 0;
  char text[512];
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  long count = syscall(SYS_read, fd, text, sizeof text - 1);
  syscall(SYS_close, fd);
  if (count <= 0) return 0;
  text[count] = 0;
  char *rest = NULL;
  for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    char name[16], what[16];
    int ms = 0;
    if (sscanf(line, "%15s %15s %d", name, what, &ms) < 2 || strcmp(name, call) != 0) continue;
    if (strcmp(what, "stall") == 0) return -1;
    if (strcmp(what, "delay") != 0) return code_of(what);
    usleep(ms * 1000);
    return 0;
  }
  return 0;
}

static int below(const char *path) {
  const char *root = getenv("DISK_FAULTS_PATH");
  return root != NULL && strncmp(path, root, strlen(root)) == 0;
}

static int ours(int fd) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  long count = readlink(name, path, sizeof path - 1);
  if (count <= 0) return 0;
  path[count] = 0;
  return below(path);
}

/* 0: go on. Otherwise errno is set. */
static int faulty(const char *call) {
  int what;
  while ((what = said(call)) == -1) usleep(5000);
  if (what == 0) return 0;
  errno = what;
  return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t count) {
  if (fd > 2 && ours(fd) && faulty("write")) return -1;
  return REAL(write)(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  if (ours(fd) && faulty("write")) return -1;
  return REAL(pwrite64)(fd, bytes, count, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (fd > 2 && ours(fd) && faulty("write")) return -1;
  return REAL(writev)(fd, parts, count);
}

int fdatasync(int fd) {
  if (ours(fd) && faulty("sync")) return -1;
  return REAL(fdatasync)(fd);
}

int fsync(int fd) {
  if (ours(fd) && faulty("sync")) return -1;
  return REAL(fsync)(fd);
}

int ftruncate64(int fd, off64_t length) {
  if (ours(fd) && faulty("truncate")) return -1;
  return REAL(ftruncate64)(fd, length);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = va_arg(rest, int);
  va_end(rest);
  if ((flags & O_CREAT) != 0 && below(path) && faulty("open")) return -1;
  return REAL(open64)(path, flags, mode);
}
