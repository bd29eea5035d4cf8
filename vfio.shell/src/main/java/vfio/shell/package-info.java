/** The shell: Gogo commands to look at devices and drivers and to try registers, and the socket through which they are run from outside. */
@NullMarked
package vfio.shell;

import org.jspecify.annotations.NullMarked;
