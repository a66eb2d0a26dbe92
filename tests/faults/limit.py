def main(path, keep=False):
    return 0
