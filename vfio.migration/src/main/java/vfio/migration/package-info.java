/** Moves devices in use to other runtimes, and to and from files. */
@NullMarked
package vfio.migration;

import org.jspecify.annotations.NullMarked;
