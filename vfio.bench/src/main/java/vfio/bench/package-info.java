/** What the product costs: benchmarks in process, and comparisons between processes. */
@NullMarked
package vfio.bench;

import org.jspecify.annotations.NullMarked;
