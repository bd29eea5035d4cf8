/**
 * The service provider interface for vendor bundles: offer to mediate a device, and mediate it.
 *
 * <p>A vendor bundle registers a {@link vfio.pci.api.mediate.MediateOps} service. When a device is opened, the core asks the
 * registered services in order of service ranking, highest first, services of equal ranking in order of registration. The
 * first that accepts supplies a {@link vfio.pci.api.mediate.Mediation} and stays with the device until it is closed; every
 * decline is kept with its reason. If nobody accepts, the device is passed through.
 *
 * <p>When the driver's service goes while a device is in use, the device is handed over: accesses wait, the mediation is
 * suspended and closed, and a successor is asked with the state that was left.
 *
 * <p>The core contains what vendor code does wrong: an exception costs the request that caused it and is counted and logged
 * under the vendor's name. No lock is held while vendor code runs, so any method may be called by several threads at once.
 *
 * <p>Bundles implement {@code MediateOps} and {@code Mediation}; new methods there will be default methods. The core
 * implements {@code MediationContext}.
 */
@Export
@Version("1.2.0")
@NullMarked
package vfio.pci.api.mediate;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
