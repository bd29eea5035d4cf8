/** The vfio-user server: one UNIX socket for each assignable function, one connection at a time on each. */
@NullMarked
package vfio.user;

import org.jspecify.annotations.NullMarked;
