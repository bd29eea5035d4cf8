/**
 * The launcher: a plain program that starts the framework with the bundles of the distribution and reports when they
 * are ready, and the client that sends one shell command to a runtime that is already there.
 */
@org.jspecify.annotations.NullMarked
package vfio.dist;
