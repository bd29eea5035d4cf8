package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

class MacTableTest {
    /** Positive numbers add, negative ones remove; few addresses, so that they collide and come again. */
    @Property
    void behavesAsAMap(@ForAll @Size(max = 500) List<@IntRange(min = -300, max = 300) Integer> changes) {
        MacTable table = new MacTable();
        Map<Long, Long> model = new HashMap<>();
        for (int change : changes) {
            int port = Math.floorMod(change, 33);
            long address = Math.abs(change) / 2 * 0x0001_0001_0000L;
            if (change >= 0) {
                table.add(address, port);
                model.merge(address, 1L << port, (one, other) -> one | other);
            } else {
                table.remove(address, port);
                model.computeIfPresent(address, (key, ports) -> ports & ~(1L << port));
            }
        }
        for (long number = 0; number <= 150; number++) {
            long address = number * 0x0001_0001_0000L;
            assertThat(table.ports(address)).isEqualTo(model.getOrDefault(address, 0L));
        }
        assertThat(table.ports(MacTable.BROADCAST)).isZero();
    }
}
