package vfio.linux;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Collects the descriptors that arrive with a message, up to a maximum. What is not taken is closed by {@link #clear()} or
 * {@link #close()}.
 *
 * <p>Meant to be reused for each message. Not safe for use by several threads.
 */
public final class ReceivedDescriptors implements AutoCloseable {
    private final @Nullable Descriptor[] descriptors;
    private int count;
    private boolean overflowed;

    /**
     * @param maximum descriptors to keep, 0 to 253 ({@code SCM_MAX_FD})
     */
    public ReceivedDescriptors(int maximum) {
        if (maximum < 0 || maximum > Linux.SCM_MAX_FD) {
            throw new IllegalArgumentException("a maximum of " + maximum + " descriptors; 0 to 253 are possible");
        }
        descriptors = new @Nullable Descriptor[maximum];
    }

    /** Descriptors that arrived since the last {@link #clear()}, taken or not. */
    public int count() {
        return count;
    }

    /**
     * Whether the peer sent descriptors that are not here: more than the maximum, or more than this process may open. They
     * are closed already.
     */
    public boolean overflowed() {
        return overflowed;
    }

    /**
     * Hands a descriptor over.
     *
     * @param index in order of arrival, in {@code [0, count())}
     * @return the descriptor, from now on owned by the caller
     * @throws IllegalStateException if it was taken before
     */
    public Descriptor take(int index) {
        Objects.checkIndex(index, count);
        Descriptor descriptor = descriptors[index];
        if (descriptor == null) {
            throw new IllegalStateException("descriptor " + index + " was taken before");
        }
        descriptors[index] = null;
        return descriptor;
    }

    /** Hands over all that were not taken, in order of arrival, and starts anew as {@link #clear()} does. */
    public List<Descriptor> takeAll() {
        List<Descriptor> all = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            Descriptor descriptor = descriptors[index];
            if (descriptor != null) {
                descriptors[index] = null;
                all.add(descriptor);
            }
        }
        clear();
        return all;
    }

    /** Closes what was not taken and starts anew. */
    public void clear() {
        for (int index = 0; index < count; index++) {
            Descriptor descriptor = descriptors[index];
            if (descriptor != null) {
                descriptors[index] = null;
                descriptor.close();
            }
        }
        count = 0;
        overflowed = false;
    }

    /** Same as {@link #clear()}. */
    @Override
    public void close() {
        clear();
    }

    /** How many more it takes. */
    int room() {
        return descriptors.length - count;
    }

    /** Takes ownership of a number that the kernel just gave us. */
    void add(int number) {
        descriptors[count] = new Descriptor(number);
        count++;
    }

    void overflow() {
        overflowed = true;
    }
}
