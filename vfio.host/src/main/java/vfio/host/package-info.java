/** The PCI functions of this host, through Linux VFIO. Numbers and structures are those of {@code <linux/vfio.h>}. */
@NullMarked
package vfio.host;

import org.jspecify.annotations.NullMarked;
