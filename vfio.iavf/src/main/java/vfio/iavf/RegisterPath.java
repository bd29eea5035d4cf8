package vfio.iavf;

import java.lang.invoke.VarHandle;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.MappedRegions;
import vfio.user.client.VfioUserClient;

/** How the driver reaches the registers of BAR0. */
public enum RegisterPath {
    /** By messages that are waited for. */
    TRAPPED {
        @Override
        RegisterConnection connect(VfioUserClient client) {
            return new RegisterConnection() {
                @Override
                public int read(int offset) {
                    return client.readInt(PciRegion.BAR0, offset);
                }

                @Override
                public void write(int offset, int value) {
                    client.writeInt(PciRegion.BAR0, offset, value);
                }

                @Override
                public void close() {}
            };
        }
    },
    /** By messages; writes are not waited for, which is what QEMU does if no region is mapped. */
    POSTED {
        @Override
        RegisterConnection connect(VfioUserClient client) {
            return new RegisterConnection() {
                @Override
                public int read(int offset) {
                    return client.readInt(PciRegion.BAR0, offset);
                }

                @Override
                public void write(int offset, int value) {
                    client.writeRegisterPosted(PciRegion.BAR0, offset, Integer.BYTES, value);
                }

                @Override
                public void close() {}
            };
        }
    },
    /**
     * Through mappings where the server offers them, by messages elsewhere. If the client has negotiated dynamic trap, the
     * driver follows the layout.
     */
    MAPPED {
        @Override
        RegisterConnection connect(VfioUserClient client) {
            MappedRegions regions = MappedRegions.open(client, PciRegion.BAR0);
            return new RegisterConnection() {
                @Override
                public int read(int offset) {
                    int value = (int) regions.readRegister(PciRegion.BAR0, offset, Integer.BYTES);
                    VarHandle.acquireFence();
                    return value;
                }

                @Override
                public void write(int offset, int value) {
                    VarHandle.releaseFence();
                    regions.writeRegister(PciRegion.BAR0, offset, Integer.BYTES, value);
                }

                @Override
                public boolean isMapped(int offset) {
                    return regions.isMapped(PciRegion.BAR0, offset);
                }

                @Override
                public void close() {
                    regions.close();
                }
            };
        }
    };

    /** Registers that someone must let go of. */
    interface RegisterConnection extends RegisterSpace, AutoCloseable {
        default boolean isMapped(int offset) {
            return false;
        }

        @Override
        void close();
    }

    abstract RegisterConnection connect(VfioUserClient client);
}
