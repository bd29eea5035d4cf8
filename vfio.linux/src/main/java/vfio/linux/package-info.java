/**
 * Linux system calls as owned objects: file descriptors, UNIX sockets, eventfds, poll, shared memory, TAP interfaces, device
 * files and the kernel's device events.
 *
 * <p>This is the only code of the product that leaves the JVM. Each object here has one owner, who closes it; close is
 * idempotent and releases what the kernel holds. A file descriptor is a {@link vfio.linux.Descriptor}, never a number, and
 * stays open while any thread is inside a system call on it, so a number is never closed twice and never reused under a
 * caller. Methods throw {@link vfio.pci.api.device.VfioException} with the error of the kernel and a sentence that names the
 * call, its subject and, where there is one, the next step; use after close fails with EBADF, of memory with EFAULT.
 * Arguments outside the documented range are programming errors and throw the usual unchecked exceptions.
 *
 * <p>Runs on 64-bit little-endian Linux: x86-64 and arm64.
 */
@Export
@Version("1.2.0")
@NullMarked
package vfio.linux;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
