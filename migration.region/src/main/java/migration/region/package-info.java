/**
 * Device-specific regions that vendor bundles add to a device, and migration, as far as these are the same for all vendors.
 *
 * <p>A mediation makes such a region while it is being opened, keeps the object, and gives it every access to its index. {@link
 * migration.region.DynamicTrapRegion} is the dynamic-trap information region of the 2019 proposal "mediate ops in vfio-pci".
 *
 * <p>{@link migration.region.Migration} is one device's migration: its {@linkplain migration.region.MigrationStateMachine states}
 * and the {@linkplain migration.region.SavedState stream} of its state. A vendor says in {@link
 * migration.region.Migration.Device} how to stop, save, load and watch. {@link migration.region.MigrationRegion} shows it to clients
 * of version 1 of the Linux contract. {@link migration.region.DirtyBitmap} holds what was written.
 *
 * <p>An access that a region does not take fails with {@link vfio.pci.api.device.VfioException}. Everything may be used by
 * several threads at once.
 */
@Export
@Version("1.2.0")
@NullMarked
package migration.region;

import org.jspecify.annotations.NullMarked;
import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
