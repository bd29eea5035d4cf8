/** The services of the native bundle. */
@NullMarked
package vfio.linux.internal;

import org.jspecify.annotations.NullMarked;
