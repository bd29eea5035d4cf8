/** The wire format of vfio-user and its framing, shared by server and client; not exported. */
@NullMarked
package vfio.user.internal;

import org.jspecify.annotations.NullMarked;
