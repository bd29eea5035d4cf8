/** The core: which functions and vendor drivers are present, who mediates what, and the checks in front of every access. */
@NullMarked
package vfio.pci.core;

import org.jspecify.annotations.NullMarked;
