/** Mediates the virtual functions of Intel XL710 network adapters. */
@NullMarked
package mediate.i40e;

import org.jspecify.annotations.NullMarked;
