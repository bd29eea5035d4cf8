/** Mediates Intel integrated graphics devices. */
@NullMarked
package mediate.igd;

import org.jspecify.annotations.NullMarked;
