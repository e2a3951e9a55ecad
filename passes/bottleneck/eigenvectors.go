package bottleneck

import (
	"errors"
	"math/rand/v2"

	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// wholeDecomposition is the number of channels up to which all eigenvectors are
// computed: beyond it that takes many seconds, and only a few are wanted.
const wholeDecomposition = 384

// leading returns the k eigenvectors of a covariance with the largest
// eigenvalues, largest first, as columns.
func leading(cov *mat.SymDense, k int, rnd *rand.Rand) (mat.Matrix, error) {
	n := cov.SymmetricDim()
	if n <= wholeDecomposition || 4*k > n {
		var eig mat.EigenSym
		if !eig.Factorize(cov, true) {
			return nil, errors.New("calibration: the covariance of the cut tensor has no eigenvectors")
		}
		var vectors mat.Dense
		eig.VectorsTo(&vectors)
		out := mat.NewDense(n, k, nil)
		for i := range k { // eigenvalues rise
			out.SetCol(i, mat.Col(nil, n-1-i, &vectors))
		}
		return out, nil
	}
	// Subspace iteration: powers of the covariance turn a random subspace, a
	// little wider than wanted, to the leading eigenvectors; the small problem
	// inside of it separates them.
	const extra, rounds = 8, 24
	q := mat.NewDense(n, k+extra, nil)
	for i := range n {
		for j := range k + extra {
			q.Set(i, j, rnd.NormFloat64())
		}
	}
	var next, small mat.Dense
	for range rounds {
		orthonormalise(q)
		next.Mul(cov, q)
		q.Copy(&next)
	}
	orthonormalise(q)
	next.Mul(cov, q)
	small.Mul(q.T(), &next)
	inner := mat.NewSymDense(k+extra, nil)
	for i := range k + extra {
		for j := i; j < k+extra; j++ {
			inner.SetSym(i, j, (small.At(i, j)+small.At(j, i))/2)
		}
	}
	turn, err := leading(inner, k, rnd)
	if err != nil {
		return nil, err
	}
	out := mat.NewDense(n, k, nil)
	out.Mul(q, turn)
	return out, nil
}

// orthonormalise makes the columns of q orthogonal and of length 1, in place (QR
// by Householder reflections). Instead of columns that depend on others there
// are any that do not.
func orthonormalise(q *mat.Dense) {
	a := q.RawMatrix()
	tau, size := make([]float64, a.Cols), make([]float64, 1)
	lapack64.Geqrf(a, tau, size, -1)
	work := make([]float64, int(size[0]))
	lapack64.Geqrf(a, tau, work, len(work))
	lapack64.Orgqr(a, tau, size, -1)
	work = make([]float64, int(size[0]))
	lapack64.Orgqr(a, tau, work, len(work))
}
