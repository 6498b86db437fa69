/* The filter of system calls: a classic BPF program, written out.
 *
 * The namespaces already keep the program from what these calls would reach.
 * The filter is the second wall: it takes away the parts of the kernel in which
 * ways out have been found and which no solution of an exercise needs.  A call
 * of another processor's numbering kills, as its numbers mean other calls. */
#include "harness/exec/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OUR_ARCH

#define LOAD(field)                                                            \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define FAIL(cause) RETURN(SECCOMP_RET_ERRNO | (cause))
#define DENY(call)                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), FAIL(EPERM)
/* The low half of the first argument: both processors are little-endian. */
#define NEW_SPACES                                                             \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |               \
     CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static const struct sock_filter program[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
#ifdef __x86_64__
    /* the x32 numbering */
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
#endif
    DENY(ptrace),
    DENY(process_vm_readv),
    DENY(process_vm_writev),
    DENY(mount),
    DENY(umount2),
    DENY(pivot_root),
    DENY(chroot),
    DENY(unshare),
    DENY(setns),
    DENY(keyctl),
    DENY(add_key),
    DENY(request_key),
    DENY(bpf),
    DENY(perf_event_open),
    DENY(userfaultfd),
    DENY(open_by_handle_at),
    DENY(name_to_handle_at),
    DENY(init_module),
    DENY(finit_module),
    DENY(delete_module),
    DENY(kexec_load),
    DENY(reboot),
    DENY(swapon),
    DENY(swapoff),
    DENY(syslog),
    DENY(acct),
    DENY(quotactl),
    DENY(settimeofday),
    DENY(clock_settime),
    DENY(adjtimex),
    DENY(personality),
#ifdef SYS_io_uring_setup
    DENY(io_uring_setup),
    DENY(io_uring_enter),
    DENY(io_uring_register),
#endif
#ifdef SYS_open_tree
    DENY(open_tree),
    DENY(move_mount),
    DENY(fsopen),
    DENY(fsmount),
#endif
    /* clone3 hides its flags behind a pointer; without it clone is used */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
    FAIL(ENOSYS),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
    LOAD(args[0]),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NEW_SPACES, 0, 1),
    FAIL(EPERM),
    RETURN(SECCOMP_RET_ALLOW),
};

struct str filter_program(void)
{
    return (struct str){ (const char *)program, sizeof program };
}

#else

struct str filter_program(void)
{
    return STR("");
}

#endif
