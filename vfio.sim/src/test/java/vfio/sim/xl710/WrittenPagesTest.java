package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.TreeSet;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.Size;

class WrittenPagesTest {
    private final WrittenPages pages = new WrittenPages();

    @Example
    void aRangeHasAllItsPages() {
        pages.add(0xffe, 2);
        assertThat(pages.take()).containsExactly(0);
        pages.add(0xfff, 2);
        assertThat(pages.take()).containsExactly(0, 1);
        pages.add(0x1000, 0x3000);
        assertThat(pages.take()).containsExactly(1, 2, 3);
        assertThat(pages.take()).isEmpty();
    }

    @Property
    void eachPageOnce(@ForAll @Size(max = 3000) List<@LongRange(min = 0, max = 1L << 51) Long> numbers) {
        numbers.forEach(number -> pages.add(number << 12, 1));
        assertThat(pages.take())
                .containsExactly(new TreeSet<>(numbers)
                        .stream().mapToLong(Long::longValue).toArray());
    }
}
