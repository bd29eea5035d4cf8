package vfio.bench;

import java.io.IOException;
import java.nio.file.Path;
import vfio.pci.api.pci.PciRegion;
import vfio.user.client.VfioUserClient;

/** Trapped reads of a register of the distribution over the client library. */
final class TrappedRead implements Contender {
    private final VfioUserClient client;

    private TrappedRead(VfioUserClient client) {
        this.client = client;
    }

    static TrappedRead connect(Path socket) {
        return new TrappedRead(VfioUserClient.connect(socket));
    }

    @Override
    public String name() {
        return "trapped read, client library";
    }

    @Override
    public long[] run(int count) throws IOException {
        return Contender.time(count, () -> {
            if (client.readInt(PciRegion.BAR0, Messages.RSTAT) != Messages.RSTAT_ACTIVE) {
                throw new IOException("VFGEN_RSTAT does not read 'active'");
            }
        });
    }

    @Override
    public void close() {
        client.close();
    }
}
