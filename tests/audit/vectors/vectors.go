// Writes tests/audit/vectors.txt, for test_merkle.c: roots and proofs by transparency-dev/merkle, of leaves "leaf 0", "leaf 1" ...
//
//	cd tests/audit && go run ./vectors >vectors.txt
package main

import (
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

var leaves = [][]byte{}

func root(a, b int) []byte {
	h := rfc6962.DefaultHasher
	if b-a == 0 {
		return h.EmptyRoot()
	}
	if b-a == 1 {
		return h.HashLeaf(leaves[a])
	}
	k := 1
	for k*2 < b-a {
		k *= 2
	}
	return h.HashChildren(root(a, a+k), root(a+k, b))
}

// The nodes of a proof by transparency-dev's own list of them.
func hashes(n proof.Nodes, size int) [][]byte {
	var got [][]byte
	for _, id := range n.IDs {
		a := int(id.Index << id.Level)
		b := a + (1 << id.Level)
		if b > size {
			b = size
		}
		got = append(got, root(a, b))
	}
	got, err := n.Rehash(got, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		panic(err)
	}
	return got
}

func main() {
	for i := 0; i < 40; i++ {
		leaves = append(leaves, []byte(fmt.Sprintf("leaf %d", i)))
	}
	for n := 0; n <= 40; n++ {
		fmt.Printf("root %d %x\n", n, root(0, n))
	}
	for _, c := range [][2]int{{0, 1}, {0, 8}, {5, 8}, {6, 7}, {12, 13}, {0, 13}, {20, 40}, {39, 40}, {33, 37}} {
		n, err := proof.Inclusion(uint64(c[0]), uint64(c[1]))
		if err != nil {
			panic(err)
		}
		p := hashes(n, c[1])
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(c[0]), uint64(c[1]), rfc6962.DefaultHasher.HashLeaf(leaves[c[0]]), p, root(0, c[1])); err != nil {
			panic(err)
		}
		fmt.Printf("inclusion %d %d", c[0], c[1])
		for _, h := range p {
			fmt.Printf(" %x", h)
		}
		fmt.Println()
	}
	for _, c := range [][2]int{{1, 1}, {1, 8}, {6, 8}, {4, 7}, {7, 13}, {13, 40}, {32, 40}, {39, 40}, {24, 37}} {
		n, err := proof.Consistency(uint64(c[0]), uint64(c[1]))
		if err != nil {
			panic(err)
		}
		p := hashes(n, c[1])
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(c[0]), uint64(c[1]), p, root(0, c[0]), root(0, c[1])); err != nil {
			panic(err)
		}
		fmt.Printf("consistency %d %d", c[0], c[1])
		for _, h := range p {
			fmt.Printf(" %x", h)
		}
		fmt.Println()
	}
}
