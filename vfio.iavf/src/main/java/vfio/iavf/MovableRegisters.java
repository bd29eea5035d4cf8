package vfio.iavf;

import vfio.iavf.RegisterPath.RegisterConnection;

/** Registers of a function that may come to be reached elsewhere. Whoever moves it sees to it that nobody uses them meanwhile. */
final class MovableRegisters implements RegisterConnection {
    private volatile RegisterConnection current;

    MovableRegisters(RegisterConnection first) {
        current = first;
    }

    void move(RegisterConnection next) {
        RegisterConnection before = current;
        current = next;
        before.close();
    }

    @Override
    public int read(int offset) {
        return current.read(offset);
    }

    @Override
    public void write(int offset, int value) {
        current.write(offset, value);
    }

    @Override
    public boolean isMapped(int offset) {
        return current.isMapped(offset);
    }

    @Override
    public void close() {
        current.close();
    }
}
