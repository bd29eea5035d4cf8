/** Vendor bundles that are loaded when a device needs them, and the folders that bundles come from. */
@NullMarked
package vfio.pci.repository;

import org.jspecify.annotations.NullMarked;
