"""Studies of forgetting: two halves of the classes (S1 7.7), and ten permutations of MNIST's pixels."""
